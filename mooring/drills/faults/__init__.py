"""What can be broken, one file for each kind of thing that breaks."""
