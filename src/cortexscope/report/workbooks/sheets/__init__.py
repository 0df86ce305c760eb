"""The sheets of workbooks: one file each, with `build(frames, labels)`.

A table without rows is no sheet; its first note says why.
"""
