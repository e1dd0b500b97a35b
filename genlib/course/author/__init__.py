"""What authors use: running and storing chapters, the rules of the format, the skeleton of a new one."""
