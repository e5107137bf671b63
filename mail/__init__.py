"""Mail: takes it in, keeps it, sends it on; has never heard of an institution."""
