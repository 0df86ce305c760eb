from ._anatomy import (
    Anatomy as Anatomy,
    StackAnatomy as StackAnatomy,
    find_anatomy as find_anatomy,
)
from ._attention import VISIBLE as VISIBLE
from ._block import (
    Block as Block,
    Linear as Linear,
    matrices as matrices,
)
from ._catalog import (
    Entry as Entry,
    aliases as aliases,
    catalog as catalog,
    preset as preset,
)
from ._chat import (
    Chat as Chat,
    open_chat as open_chat,
)
from ._check import (
    Check as Check,
    Facts as Facts,
    check_entry as check_entry,
)
from ._describe import (
    decoder_start_of as decoder_start_of,
    sizes_of as sizes_of,
    stack_kind_of as stack_kind_of,
)
from ._generation import (
    CachedPasses as CachedPasses,
    Memory as Memory,
    ending_tokens as ending_tokens,
)
from ._held import hold_model as hold_model
from ._inspect import (
    Part as Part,
    describe_parts as describe_parts,
)
from ._lists import known_part as known_part
from ._loading import (
    Model as Model,
    ModelSource as ModelSource,
    load_model as load_model,
    open_model as open_model,
)
from ._options import LoadOptions as LoadOptions
from ._panics import (
    contained as contained,
    tokenizing as tokenizing,
)
from ._placement import (
    choose_device as choose_device,
    choose_dtype as choose_dtype,
)
from ._quantization import linear_bits as linear_bits
from ._quiet import quiet as quiet
from ._reference import (
    Reference as Reference,
    parse_reference as parse_reference,
)
from ._selection import (
    expand as expand,
    select as select,
)
from ._switches import (
    LengthRule as LengthRule,
    Switch as Switch,
    Switches as Switches,
    find_switches as find_switches,
)
