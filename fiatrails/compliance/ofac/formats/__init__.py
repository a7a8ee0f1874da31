"""Sanctions lists as files -> entities. Bytes in, values out; nothing is read from disk or network here."""

from fiatrails.compliance.ofac.formats.read import ParsedList, is_list_file, plain_name, read_list

__all__ = ["ParsedList", "is_list_file", "plain_name", "read_list"]
