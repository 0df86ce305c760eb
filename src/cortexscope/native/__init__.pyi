from ._groups import (
    group_sums as group_sums,
    numbered_groups as numbered_groups,
)
from ._library import (
    is_there as is_there,
    remark as remark,
)
from ._logits import (
    LogitSums as LogitSums,
    read_logits as read_logits,
    takes_logits as takes_logits,
)
from ._permuted import permuted_sums as permuted_sums
from ._ranks import weigh_ranks as weigh_ranks
from ._rows import (
    NativeRows as NativeRows,
    attention_rows as attention_rows,
    takes_attention as takes_attention,
    whole_attention_rows as whole_attention_rows,
)
from ._samples import (
    RowSizes as RowSizes,
    attention_row_sizes as attention_row_sizes,
    takes_rows as takes_rows,
)
from ._states import (
    MOMENTS as MOMENTS,
    SIZES as SIZES,
    Massive as Massive,
    PromptSizes as PromptSizes,
    Rows as Rows,
    prompt_sizes as prompt_sizes,
    row_sizes as row_sizes,
    takes_states as takes_states,
)
