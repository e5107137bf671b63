"""The tables of people, a module for each of what they hold."""
