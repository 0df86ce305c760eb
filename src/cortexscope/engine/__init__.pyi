from ._batches import (
    Batch as Batch,
    Shard as Shard,
)
from ._encode import Encoded as Encoded
from ._estimate import Estimate as Estimate
from ._forecast import (
    Forecast as Forecast,
    forecast as forecast,
)
from ._generation import (
    Generation as Generation,
    asked_generation as asked_generation,
)
from ._job import (
    Failed as Failed,
    Finished as Finished,
    Job as Job,
    Lost as Lost,
    Measured as Measured,
    Ready as Ready,
    Setup as Setup,
    Steps as Steps,
)
from ._lengths import (
    LengthMatched as LengthMatched,
    match_lengths as match_lengths,
)
from ._place import Place as Place
from ._plan import jobs_of as jobs_of
from ._preview import (
    Group as Group,
    Preview as Preview,
    Shown as Shown,
    preview as preview,
)
from ._python import (
    asked as asked,
    carried_out as carried_out,
    with_shared_arguments as with_shared_arguments,
)
from ._request import (
    Progress as Progress,
    RunRequest as RunRequest,
    Settings as Settings,
    Silent as Silent,
)
from ._rerun import request_of as request_of
from ._run import run as run
from ._sizes import (
    parse_bytes as parse_bytes,
    said_bytes as said_bytes,
)
from ._threads import computing_with as computing_with
from ._untouched import untouched as untouched
