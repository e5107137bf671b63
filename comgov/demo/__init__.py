"""The sample government, its guided tour, and the command that runs them."""
