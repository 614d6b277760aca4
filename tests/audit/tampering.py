"""One tampering at a time in a copy of a finished project: applied, known by name, and undone.

Every kind is a function that draws a victim, does the damage and says what a verification must name. What it touches
beside (a rewritten manifest, say) may be named as well; anything else would be a false report.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.audit import tampering_files, tampering_index, tampering_mlflow, tampering_records, tampering_rows
from tests.audit.tamperer import Tamperer, Tampering

KINDS: dict[str, Callable[[Tamperer], Tampering]] = {
    one.__name__: one
    for one in (
        tampering_files.flip,
        tampering_files.truncate,
        tampering_files.append,
        tampering_files.delete,
        tampering_files.swap,
        tampering_files.relink,
        tampering_files.add,
        tampering_files.add_link,
        tampering_files.edit_negative,
        tampering_files.edit_table,
        tampering_files.edit_number,
        tampering_files.edit_line,
        tampering_files.replace_adapter,
        tampering_files.change_video,
        tampering_index.delete_row,
        tampering_index.add_row,
        tampering_index.change_row,
        tampering_index.flip_index,
        tampering_index.rebuild_index,
        tampering_mlflow.change_metric,
        tampering_mlflow.delete_metric,
        tampering_mlflow.add_metric,
        tampering_mlflow.change_shown,
        tampering_mlflow.change_param,
        tampering_mlflow.delete_param,
        tampering_mlflow.add_param,
        tampering_mlflow.change_tag,
        tampering_mlflow.delete_tag,
        tampering_mlflow.change_version,
        tampering_mlflow.change_copy,
        tampering_records.edit_lock,
        tampering_records.edit_manifest,
        tampering_records.forge,
        tampering_rows.swap_transcripts,
        tampering_rows.swap_frames,
        tampering_rows.swap_vectors,
        tampering_rows.swap_index_vectors,
    )
}
