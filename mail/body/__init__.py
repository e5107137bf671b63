"""The bytes of messages: what one walk over them tells, how they are kept, and how they are read again."""
