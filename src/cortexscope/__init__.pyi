from ._version import __version__ as __version__
from .callbacks import CortexscopeCallback as CortexscopeCallback
from .comparing import (
    Comparison as Comparison,
    compare as compare,
)
from .engine import (
    Generation as Generation,
    Settings as Settings,
)
from .errors import CortexscopeError as CortexscopeError
from .interventions import Change as Change
from .lesioning import (
    Lesions as Lesions,
    lesion as lesion,
)
from .measure import (
    Probe as Probe,
    attach as attach,
)
from .metrics import MetricOptions as MetricOptions
from .models import (
    LoadOptions as LoadOptions,
    Model as Model,
    load_model as load_model,
)
from .profiles import (
    Profile as Profile,
    open_profile as open_profile,
    profile as profile,
)
from .records import (
    Manifest as Manifest,
    MetricSpec as MetricSpec,
    ModelInfo as ModelInfo,
    Prompt as Prompt,
)
from .selfchecks import selfcheck as selfcheck
from .tasks import (
    Suite as Suite,
    load_suite as load_suite,
)

__all__: list[str]
