"""The stages of preset `paper`: pictures in, pictures out, as the publication has them (spec 3)."""
