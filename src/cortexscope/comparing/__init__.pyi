from ._comparison import (
    Comparison as Comparison,
    Outcome as Outcome,
)
from ._compare import (
    Extras as Extras,
    compare_request as compare_request,
)
from ._conditions import Condition as Condition
from ._outputs import (
    append_summary as append_summary,
    write_junit as write_junit,
)
from ._python import compare as compare
