"""The networks of preset `paper` (spec 2), named inside as in the authors' release."""
