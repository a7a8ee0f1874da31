"""The local stack: the processes behind `make up`, started, watched and stopped without Docker."""
