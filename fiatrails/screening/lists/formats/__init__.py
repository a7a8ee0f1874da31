"""Sanctions lists as files -> entities. Bytes in, values out; nothing is read from disk or network here."""

from fiatrails.screening.lists.formats.read import ParsedList, is_list_file, plain_name, read_list

__all__ = ["ParsedList", "is_list_file", "plain_name", "read_list"]
