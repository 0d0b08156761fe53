"""See what is confused, find or record exactly that, admit what the model gets wrong, and judge what it brought."""
