// The first real S3 server.

import { canHaveVersitygw, findVersitygw, startVersitygw } from '../setup/versitygw';
import { programSuite } from './program-suite';

programSuite({
  find: findVersitygw, canHave: canHaveVersitygw, start: startVersitygw, variable: 'SEGUE_VERSITYGW', file: 'versitygw', cached: 'versitygw-v1.8.0/versitygw', installer: 'go', installable: true, tried: 'go install .*',
  installing: () => '[ "$1" = install ] && [ "$2" = github.com/versity/versitygw/cmd/versitygw@v1.8.0 ] && /bin/mkdir -p "$GOBIN" && echo x > "$GOBIN/versitygw" && /bin/chmod +x "$GOBIN/versitygw"',
});
