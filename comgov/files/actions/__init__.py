"""What people do with files: one coroutine per intention, one transaction each."""
