"""The closed list of ways work can end: each a reason with its exit code, class, meaning and mend.

The reason is the exit code of the worker and of `narwhal run`, the word in the termination message, in the attempts,
in the conditions, in the metric label and in the Event. Codes are stable: a script may rely on them.
"""

from typing import Final

from narwhal_operator.contract.reason import Class, Entry, Reason

__all__ = ["BY_CODE", "TABLE", "Class", "Entry", "Reason"]

TABLE: Final[dict[Reason, Entry]] = {
    Reason.COMPLETED: Entry(0, Class.SUCCESS, "All is done and checked.", "Nothing to do."),
    Reason.CANCELLED: Entry(
        10,
        Class.DISRUPTION,
        "The worker was told to stop: a drain, an eviction, a suspension, Ctrl-C.",
        "Nothing to mend; the next run goes on from what is stored.",
    ),
    Reason.INTERNAL_ERROR: Entry(
        11,
        Class.RETRY,
        "Narwhal itself broke.",
        "Please report it with the logs of the pod; it is tried again meanwhile.",
    ),
    Reason.INVALID_ORDER: Entry(
        12, Class.TERMINAL, "The spec cannot be carried out.", "Correct the field the message names and apply again."
    ),
    Reason.DEADLINE_EXCEEDED: Entry(
        13,
        Class.TERMINAL,
        "An attempt ran longer than activeDeadlineSeconds.",
        "Raise spec.activeDeadlineSeconds, or give the pods more CPU (spec.template.resources), in a new job.",
    ),
    Reason.OUT_OF_MEMORY: Entry(
        14,
        Class.MEMORY,
        "The worker was killed for want of memory.",
        "It is tried again with more memory and fewer threads; raise spec.template.resources.limits.memory to have it start so.",
    ),
    Reason.POD_LOST: Entry(
        15,
        Class.DISRUPTION,
        "The pod vanished without a word: its node was lost or it was deleted.",
        "Nothing to mend; the next attempt looks into the store for what is done.",
    ),
    Reason.DEPENDENCY_FAILED: Entry(
        16,
        Class.TERMINAL,
        "The DownloadJob this waits for has failed.",
        "Mend that DownloadJob, then create this anew.",
    ),
    Reason.DEPENDENCY_MISSING: Entry(
        17,
        Class.USER,
        "The DownloadJob this waits for does not exist.",
        "Create it, or correct spec.input.downloadJobRef.name.",
    ),
    Reason.NOT_SUPPORTED: Entry(
        18, Class.TERMINAL, "This version cannot do what the spec asks.", "See the message for what it can do instead."
    ),
    Reason.POD_REFUSED: Entry(
        19,
        Class.USER,
        "The cluster does not start the pod: image, quota or policy.",
        "The message has the cluster's own words; mend what they name.",
    ),
    Reason.SECRET_NOT_FOUND: Entry(
        20,
        Class.USER,
        "A Secret the spec names does not exist.",
        "Create it in the same namespace, or correct its name in the spec.",
    ),
    Reason.SECRET_INVALID: Entry(
        21,
        Class.USER,
        "A Secret lacks a key or holds a malformed value.",
        "A storage Secret needs endpoint, accessKeyId, secretAccessKey; region and caBundle are optional.",
    ),
    Reason.CONFIG_MAP_NOT_FOUND: Entry(
        22,
        Class.USER,
        "A ConfigMap the spec names does not exist or lacks the key ca.crt.",
        "Create it in the same namespace with PEM certificates under ca.crt.",
    ),
    Reason.STORE_UNREACHABLE: Entry(
        23,
        Class.RETRY,
        "The store does not answer.",
        "Check the endpoint in the storage Secret and that the store is up.",
    ),
    Reason.STORE_ACCESS_DENIED: Entry(
        24,
        Class.USER,
        "The store refuses the credentials, or they may not do this.",
        "Correct accessKeyId and secretAccessKey in the storage Secret, or allow them the bucket.",
    ),
    Reason.BUCKET_NOT_FOUND: Entry(
        25, Class.USER, "The bucket does not exist.", "Create the bucket, or correct its name in the spec."
    ),
    Reason.STORE_ERROR: Entry(
        26, Class.RETRY, "The store answers with errors.", "Look at the store's own logs; it is tried again meanwhile."
    ),
    Reason.STORE_FULL: Entry(27, Class.USER, "The store has no room left.", "Make room or raise its quota."),
    Reason.SCRATCH_FULL: Entry(
        28,
        Class.USER,
        "The scratch volume of the pod has no room left.",
        "Raise spec.template.resources.limits.ephemeral-storage, or have the admin raise the chart values transcode.scratch"
        " and torrent.scratch; for a local run make room on the disk.",
    ),
    Reason.STORE_TLS_INVALID: Entry(
        29,
        Class.USER,
        "The certificate of the store is not trusted.",
        "Put its certificate authority under caBundle in the storage Secret.",
    ),
    Reason.SOURCE_NOT_FOUND: Entry(
        30, Class.TERMINAL, "No mirror has the file (404, 410).", "Correct spec.source.http.urls in a new DownloadJob."
    ),
    Reason.SOURCE_ACCESS_DENIED: Entry(
        31,
        Class.USER,
        "The source refuses access (401, 403).",
        "Put the right headers into the Secret that spec.source.http.headersFrom names.",
    ),
    Reason.SOURCE_UNREACHABLE: Entry(
        32,
        Class.RETRY,
        "The source does not answer, or its name does not resolve.",
        "Check the URL and that the cluster may reach it.",
    ),
    Reason.SOURCE_TLS_INVALID: Entry(
        33,
        Class.TERMINAL,
        "The certificate of the source is not trusted.",
        "Name its certificate authority with spec.source.http.caBundleFrom.",
    ),
    Reason.SOURCE_ERROR: Entry(34, Class.RETRY, "The source answers with errors (5xx).", "It is tried again."),
    Reason.SOURCE_RATE_LIMITED: Entry(
        35, Class.RETRY, "The source says: too many requests (429).", "Lower spec.connections; it is tried again."
    ),
    Reason.SOURCE_CHANGED: Entry(
        36,
        Class.RETRY,
        "The file changed while it was fetched.",
        "It is fetched anew; if that goes on, the source is being written to.",
    ),
    Reason.SOURCE_INCOMPLETE: Entry(
        37, Class.RETRY, "The source closes before the end.", "It is tried again from where it broke off."
    ),
    Reason.SOURCE_STALLED: Entry(
        38,
        Class.RETRY,
        "No byte arrived for spec.stallTimeout.",
        "Raise spec.stallTimeout or add mirrors; it is tried again.",
    ),
    Reason.SOURCE_TOO_LARGE: Entry(
        39, Class.TERMINAL, "The file is larger than spec.maxBytes.", "Raise spec.maxBytes in a new DownloadJob."
    ),
    Reason.CHECKSUM_MISMATCH: Entry(
        40,
        Class.TERMINAL,
        "The content does not have the digest of spec.checksum.",
        "Compare with the publisher's digest: either the URL or the digest is wrong.",
    ),
    Reason.CHECKSUM_NOT_FOUND: Entry(
        41,
        Class.TERMINAL,
        "The checksum file does not list the file's name.",
        "Correct spec.checksum.url, or give the digest itself.",
    ),
    Reason.SOURCE_NOT_MEDIA: Entry(
        42,
        Class.TERMINAL,
        "The source answered with a web page or text instead of media.",
        "Open the URL in a browser: it is likely a login or an error page.",
    ),
    Reason.SOURCE_EMPTY: Entry(43, Class.TERMINAL, "The file has 0 bytes.", "Correct the URL."),
    Reason.ADDRESS_FORBIDDEN: Entry(
        44,
        Class.TERMINAL,
        "The source is at an address that is not globally routable.",
        "The admin can allow its network (chart value download.allowedNetworks; narwhal run --allow-private).",
    ),
    Reason.REDIRECT_REFUSED: Entry(
        45,
        Class.TERMINAL,
        "A redirect is refused: too many, from https to http, or to another scheme.",
        "Use the final URL.",
    ),
    Reason.PROTOCOL_VIOLATION: Entry(
        46,
        Class.RETRY,
        "The source breaks HTTP in a way that could corrupt the file.",
        "Add another mirror; it is tried again.",
    ),
    Reason.INPUT_NOT_FOUND: Entry(
        50, Class.USER, "The input object does not exist.", "Correct spec.input, or upload the object."
    ),
    Reason.INPUT_EMPTY: Entry(51, Class.TERMINAL, "The input has 0 bytes.", "Upload the file again."),
    Reason.INPUT_NOT_MEDIA: Entry(
        52,
        Class.TERMINAL,
        "The input is no media file of a kind that is accepted.",
        "Give an MP4, MOV, Matroska, WebM, MPEG-TS, AVI or FLV file; playlists are refused.",
    ),
    Reason.INPUT_TRUNCATED: Entry(
        53, Class.TERMINAL, "The input ends before its declared end.", "Fetch or export the file again."
    ),
    Reason.INPUT_DAMAGED: Entry(
        54, Class.TERMINAL, "The input has errors that a strict decoder refuses.", "Fetch or export the file again."
    ),
    Reason.INPUT_CHANGED: Entry(
        55, Class.TERMINAL, "The input is not the object the DownloadJob made.", "Run the DownloadJob again."
    ),
    Reason.INPUT_OVER_LIMITS: Entry(
        56,
        Class.TERMINAL,
        "The input is over a limit: pixels, streams or duration.",
        "The message names the limit; make the input smaller.",
    ),
    Reason.NO_VIDEO: Entry(
        57, Class.TERMINAL, "The input has neither video nor sound.", "Give an input with video or sound."
    ),
    Reason.LADDER_EMPTY: Entry(
        58,
        Class.TERMINAL,
        "No rung is left after those above the input are dropped.",
        "Add a rendition not above the input's size.",
    ),
    Reason.ENCODER_FAILED: Entry(
        59, Class.ELSEWHERE, "FFmpeg failed.", "The evidence has its last lines; it is tried again, on another node."
    ),
    Reason.NO_PROGRESS: Entry(
        60,
        Class.ELSEWHERE,
        "FFmpeg made no progress for too long and was killed.",
        "It is tried again, on another node.",
    ),
    Reason.VERIFICATION_FAILED: Entry(
        61,
        Class.RETRY,
        "What was encoded does not pass verification; nothing was published.",
        "The report names each finding; it is tried again.",
    ),
    Reason.PROGRAM_MISSING: Entry(
        62, Class.TERMINAL, "ffmpeg or ffprobe is not installed.", "Install FFmpeg: apt-get install ffmpeg."
    ),
    Reason.INPUT_FILE_UNMATCHED: Entry(
        63,
        Class.TERMINAL,
        "No file of the DownloadJob matches spec.input.downloadJobRef.file.",
        "The message shows files it made; correct the pattern in a new TranscodingJob.",
    ),
    Reason.CLIP_EMPTY: Entry(
        66,
        Class.TERMINAL,
        "The part that spec.clip names begins after the input's end.",
        "The message has the input's duration; begin earlier.",
    ),
    Reason.QUALITY_BELOW_FLOOR: Entry(
        67,
        Class.TERMINAL,
        "A rung is further from the input than spec.quality.floor allows; nothing was published.",
        "The message has the values; lower crf, raise maxBitrate, or lower the floor.",
    ),
    Reason.PLAN_LOST: Entry(
        68,
        Class.DISRUPTION,
        "The plan that an attempt's pods share is not in the store: the input was replaced, or Narwhal was upgraded.",
        "Nothing to mend; the next attempt plans anew and keeps what is stored of the same work.",
    ),
    Reason.TORRENT_METADATA_TIMEOUT: Entry(
        70,
        Class.RETRY,
        "No peer of the magnet link sent the list of files within spec.source.torrent.metadataTimeout.",
        "Check that the torrent still has peers, add trackers to the link, or give the .torrent file; it is tried again.",
    ),
    Reason.TORRENT_STALLED: Entry(
        71,
        Class.RETRY,
        "Peers that have what is missing sent nothing for spec.source.torrent.stallTimeout.",
        "Raise stallTimeout if the swarm is slow; it is tried again from what is stored.",
    ),
    Reason.TORRENT_INVALID: Entry(
        72,
        Class.TERMINAL,
        "The magnet link or the .torrent file is malformed, or names nowhere to get it from.",
        "Correct spec.source.torrent in a new DownloadJob.",
    ),
    Reason.TORRENT_UNSAFE: Entry(
        73,
        Class.TERMINAL,
        "The torrent lists files that could harm: paths that lead elsewhere, links, too many or too long names.",
        "Nothing of it was fetched; use another torrent, or name fewer files with spec.source.torrent.files.",
    ),
    Reason.TORRENT_FILES_UNMATCHED: Entry(
        74,
        Class.TERMINAL,
        "No file of the torrent matches spec.source.torrent.files.",
        "The message shows files it has; correct the patterns in a new DownloadJob.",
    ),
    Reason.TORRENT_NO_PEERS: Entry(
        75,
        Class.RETRY,
        "No peer was connected for spec.source.torrent.stallTimeout.",
        "Check that the trackers are up and the swarm is alive, or have the admin allow peer discovery (chart value"
        " download.peerDiscovery); it is tried again from what is stored.",
    ),
    Reason.TORRENT_INCOMPLETE: Entry(
        76,
        Class.RETRY,
        "No connected peer had what is missing for spec.source.torrent.stallTimeout.",
        "The message says when a complete copy was last seen; it is tried again from what is stored.",
    ),
    Reason.CLUSTER_UNREACHABLE: Entry(
        80,
        Class.USER,
        "narwhal cannot reach a cluster: no kubeconfig, or an API server that does not answer.",
        "Set KUBECONFIG or --context to a cluster that kubectl reaches.",
    ),
    Reason.CLUSTER_ACCESS_DENIED: Entry(
        81,
        Class.USER,
        "The cluster does not let this user do that.",
        "Have its admin bind the role view or edit, which the chart extends to Narwhal's kinds.",
    ),
    Reason.RESOURCE_NOT_FOUND: Entry(
        82,
        Class.USER,
        "The cluster has no such resource.",
        "Correct the kind, the name or the namespace (-n); narwhal top -A shows what there is.",
    ),
}

BY_CODE: Final[dict[int, Reason]] = {entry.code: reason for reason, entry in TABLE.items()}
