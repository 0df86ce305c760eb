from ._compare import compared as compared
