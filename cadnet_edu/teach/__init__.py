"""The book's side: notebooks, checks of exercises, players and widgets."""
