"""The crash laboratory: kills what runs, then proves from the venue's side that nothing was lost or done twice."""
