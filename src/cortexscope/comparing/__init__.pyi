from ._comparison import (
    Comparison as Comparison,
    Outcome as Outcome,
)
from ._compare import (
    Extras as Extras,
    compare_request as compare_request,
    planned as planned,
)
from ._conditions import Condition as Condition
from ._divergence import (
    Divergence as Divergence,
    Head as Head,
    divergence as divergence,
)
from ._outputs import (
    append_summary as append_summary,
    write_junit as write_junit,
)
from ._pairing import Planned as Planned
from ._python import compare as compare
from ._sides import (
    Layer as Layer,
    ModelSide as ModelSide,
    following as following,
)
