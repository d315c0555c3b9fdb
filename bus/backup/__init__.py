"""Back up the file streams and buckets into a directory, and restore them from it."""
