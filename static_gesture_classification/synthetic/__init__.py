"""A hand that can be posed and photographed."""
