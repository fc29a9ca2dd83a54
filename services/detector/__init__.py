"""The edge program: finds faces in a camera's or file's frames and uploads them."""
