"""The checkpoint of the paper's authors, in and out (spec 4)."""
