from ._controls import (
    CONTROLS as CONTROLS,
    random_tokens as random_tokens,
    shuffled as shuffled,
    with_controls as with_controls,
)
from ._datasets import (
    data_sets as data_sets,
)
from ._forms import (
    FORMS as FORMS,
    form_of as form_of,
    forms as forms,
)
from ._lint import (
    Finding as Finding,
    lint as lint,
    near_duplicates as near_duplicates,
)
from ._loading import (
    join_suites as join_suites,
    load_suite as load_suite,
    paraphrases_of as paraphrases_of,
    read_suite as read_suite,
    read_suites as read_suites,
    suite_names as suite_names,
)
from ._outcomes import (
    Answers as Answers,
    answers_of as answers_of,
    load_answers as load_answers,
)
from ._sampling import (
    sampled as sampled,
)
from ._suite import (
    Suite as Suite,
    Task as Task,
    word_count as word_count,
)
from ._writing import (
    check_suite_file as check_suite_file,
    write_suite as write_suite,
)
from .sources import (
    ReadOptions as ReadOptions,
)
