"""Tables of the screening layer: the editions of the lists."""

from fiatrails.screening.lists.models import ListFetch, ListFile, ListVersion

__all__ = ["ListFetch", "ListFile", "ListVersion"]
