"""Fetches the report that another run of a workflow left as an artifact, without trusting it.

That run may have been of a fork's pull request, where anything can have been uploaded. The archive is never unpacked: its
size is looked at before it is downloaded, no more than that is read, and one entry is copied, bounded again, to a
path that the archive has no say in.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile

ARCHIVE_LIMIT = 8 << 20
REPORT_LIMIT = 16 << 20
TRIES = 3


def fail(message):
    text = message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    print(f"::error title=cargo nongemm::{text}")
    sys.exit(101)


def get(url, limit):
    """The body of an answer; no more than `limit` bytes."""
    request = urllib.request.Request(url, headers={"Accept": "application/vnd.github+json"})
    # Archives lie on another host, which must not see the token: redirections do not take this header along.
    request.add_unredirected_header("Authorization", f"Bearer {os.environ['GITHUB_TOKEN']}")
    for remaining in reversed(range(TRIES)):
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                body = answer.read(limit + 1)
            break
        except urllib.error.HTTPError as error:
            if error.code < 500 or not remaining:
                remedy = "; the job needs `permissions: actions: read`" if error.code in (403, 404) else ""
                fail(f"{url} answered {error.code}{remedy}")
        except OSError as error:
            if not remaining:
                fail(f"{url} cannot be reached: {error}")
        time.sleep(TRIES - remaining)
    if len(body) > limit:
        fail(f"{url} has more than {limit} bytes")
    return body


def newest_artifact(run, name):
    """The last artifact of that name: a run that was repeated leaves several. None where there is none."""
    api, repository = os.environ["GITHUB_API_URL"], os.environ["GITHUB_REPOSITORY"]
    query = urllib.parse.urlencode({"name": name, "per_page": 100})
    listed = json.loads(get(f"{api}/repos/{repository}/actions/runs/{run}/artifacts?{query}", ARCHIVE_LIMIT))
    there = [one for one in listed["artifacts"] if one["name"] == name and not one["expired"]]
    return max(there, key=lambda one: one["id"], default=None)


def entry(archive, wanted):
    """The entry of the archive that is called as wanted, in whatever folder."""
    found = [info for info in archive.infolist() if info.filename.rsplit("/", 1)[-1] == wanted]
    if len(found) != 1:
        fail(f"the artifact has {len(found)} files called {wanted}; it must have one")
    return found[0]


def copy(archive_path, wanted, path):
    try:
        with zipfile.ZipFile(archive_path) as archive, archive.open(entry(archive, wanted)) as file:
            report = file.read(REPORT_LIMIT + 1)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        fail(f"the artifact is no zip archive that can be read: {error}")
    if len(report) > REPORT_LIMIT:
        fail(f"the report in the artifact has more than {REPORT_LIMIT} bytes")
    with open(path, "wb") as file:
        file.write(report)


def main():
    run, name, path = os.environ["RUN_ID"], os.environ["ARTIFACT"], os.environ["REPORT_FILE"]
    if not run.isdigit():
        fail("the event is no `workflow_run`: give the report by the input `reports`")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    artifact = newest_artifact(run, name)
    if artifact is None:
        # It was cancelled, say, or failed before it measured: there is nothing to post.
        print(f"::notice title=cargo nongemm::run {run} left no artifact called {name}")
    elif artifact["size_in_bytes"] > ARCHIVE_LIMIT:
        fail(f"the artifact {name} has {artifact['size_in_bytes']} bytes; more than {ARCHIVE_LIMIT} are not fetched")
    else:
        archive = path + ".zip"
        with open(archive, "wb") as file:
            file.write(get(artifact["archive_download_url"], ARCHIVE_LIMIT))
        copy(archive, os.environ["REPORT_NAME"], path)
    with open(os.environ["GITHUB_OUTPUT"], "a", encoding="utf-8") as file:
        file.write(f"found={'false' if artifact is None else 'true'}\n")


main()
