import { Command } from 'commander';
import { simulator } from './heavy';
import type { Verb } from './verb';

export function simulateCommand({ endWith }: Verb): Command {
  return new Command('simulate')
    .description('a model server that behaves as TensorFlow Serving, with its flag names; computes from the files it loaded')
    // Every flag is the simulator's own, in both of its spellings: --flag=value and --flag value.
    .allowUnknownOption()
    .allowExcessArguments()
    .argument('[flags...]', "flags as tensorflow_model_server takes them; our own begin with --segue_")
    .action(async (flags: readonly string[]) => {
      endWith(await simulator().runSimulator(flags));
    })
    .addHelpText('after', `
Examples:
  $ segue simulate --port=8500 --model_config_file=/srv/edge-a/boot.config --num_load_threads=2 --num_unload_threads=2 \\
      --max_num_load_retries=0 --file_system_poll_wait_seconds=1 --model_config_file_poll_wait_seconds=0
  $ segue simulate --port=8500 --model_name=half --model_base_path=/srv/models/half`);
}
