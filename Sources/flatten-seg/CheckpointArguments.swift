import ArgumentParser
import FlattenCheckpoint
import FlattenVision

/// How a checkpoint is read; shared by all commands that read one.
struct CheckpointArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Read the weights under this key, or the tensors whose names begin with it, e.g. model_ema; "
        + "default: state_dict, model or state_dict_ema.",
      valueName: "key"))
  var container: String?

  @Flag(help: "Leave out objects of unknown classes beside the weights; for files you trust.")
  var skipUnknownObjects = false

  func open(_ path: String) throws -> Checkpoint {
    try WeightsError.opening(
      path,
      options: Checkpoint.Options(container: container, skipUnknownObjects: skipUnknownObjects))
  }
}
