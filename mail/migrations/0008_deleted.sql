-- What is \Deleted, found without a walk through its mailbox: CLOSE and EXPUNGE ask whenever a folder is left.

CREATE INDEX message_deleted ON mail.message (mailbox_id, uid) WHERE flags & 8 <> 0;
