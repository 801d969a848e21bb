"""The course as a site to read: what its pages are made of, and the building of it."""
