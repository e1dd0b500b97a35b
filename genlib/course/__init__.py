"""What authors and teachers use: the ``genlib`` command, the runs behind it, and the record of results."""
