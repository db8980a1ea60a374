"""What all workers share. Imported before any module of it, so that `minio` comes without what workers do not use."""

from workers.common.lean import leave_out_unused

leave_out_unused()
