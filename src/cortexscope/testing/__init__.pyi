from ._backend import check_backend as check_backend
from ._metric import check_metric as check_metric
from ._panel import check_panel as check_panel
from ._renderer import (
    check_renderer as check_renderer,
    made_document as made_document,
)
from ._intervention import check_intervention as check_intervention
