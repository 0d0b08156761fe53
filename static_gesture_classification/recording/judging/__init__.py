"""What a picture shows, what the model says of it, and whether it is kept."""
