"""The command line: every command's options and what it prints."""
