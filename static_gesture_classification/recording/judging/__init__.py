"""The hands of a picture, the model's prediction, and whether the picture is kept."""
