"""Values and rules that every layer shares: money, ids, time, errors. No I/O of its own."""
