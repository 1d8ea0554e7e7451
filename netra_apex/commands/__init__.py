"""The commands of `apex`, one file each, imported when called."""
