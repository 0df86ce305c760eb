from ._lesion import (
    Asked as Asked,
    lesion_request as lesion_request,
)
from ._lesions import Lesions as Lesions
from ._parts import KINDS as KINDS
from ._python import lesion as lesion
