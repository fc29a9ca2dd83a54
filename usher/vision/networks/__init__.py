"""Published networks, from the files that their authors trained to graphs that run here."""
