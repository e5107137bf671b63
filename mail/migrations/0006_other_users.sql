-- Mailboxes of a post that a person who holds it does not want to see (IMAP's UNSUBSCRIBE): mailbox.subscribed is for the
-- account's own person, and each of a post's holders is a reader of their own. account_id: the reader's.
CREATE TABLE mail.unsubscribed (
    account_id  bigint NOT NULL,
    mailbox_id  bigint NOT NULL REFERENCES mail.mailbox (id) ON DELETE CASCADE,
    PRIMARY KEY (account_id, mailbox_id)
);
CREATE INDEX unsubscribed_mailbox ON mail.unsubscribed (mailbox_id);
