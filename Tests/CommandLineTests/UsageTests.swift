import Foundation
import TestSupport
import Testing

extension CommandLineTests {
  /// Help and complaints about usage are part of the interface: compared whole.
  @Suite struct UsageTests {
    private static let texts = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "Texts")

    /// Set FLATTEN_UPDATE_TEXTS=1 to write the files anew; then read what changed.
    @Test(arguments: [
      "", "predict", "detect", "classify", "eval", "eval merge", "info", "attention", "attentions",
      "bench", "inspect", "convert", "init", "configs", "datasets", "datasets show",
      "datasets check", "datasets convert",
    ])
    func help(command: String) throws {
      let words = command.split(separator: " ").map(String.init)
      let outcome = try Tool.run(words + ["--help"], in: Scratch())
      expectSuccess(outcome)
      let name = command.isEmpty ? "flatten-seg" : command.replacing(" ", with: "-")
      let file = Self.texts.appending(path: "\(name).txt")
      if ProcessInfo.processInfo.environment["FLATTEN_UPDATE_TEXTS"] != nil {
        try outcome.output.write(to: file)
      }
      #expect(outcome.text == String(decoding: try Data(contentsOf: file), as: UTF8.self))
      for line in outcome.lines where !line.hasPrefix("USAGE:") {
        #expect(line.count <= 80, "\(line)")
      }
    }

    @Test func versionNamesTheCodecs() throws {
      let outcome = try Tool.run(["--version"], in: Scratch())
      expectSuccess(outcome)
      #expect(outcome.text.hasPrefix("flatten-seg "))
      #expect(outcome.text.contains("libpng"))
    }

    @Test func noCommandShowsTheHelp() throws {
      let outcome = try Tool.run([], in: Scratch())
      expectSuccess(outcome)
      #expect(outcome.text == (try Tool.run(["--help"], in: Scratch())).text)
    }

    @Test func helpAndMissingFilesAreQuick() throws {
      let folder = try Scratch()
      func best(_ arguments: [String]) throws -> Double {
        try (0..<5).map { _ in try Tool.run(arguments, in: folder).seconds }.min() ?? .infinity
      }
      let limit = Tool.isOptimised ? 0.1 : 1
      #expect(try best(["--help"]) < limit)
      #expect(try best(["predict", "missing.jpg"]) < limit)
      #expect(try best(["inspect", "missing.pth"]) < limit)
    }

    struct BadUsage: Sendable, CustomTestStringConvertible {
      let arguments: [String]
      let message: String
      /// How the command is called, where the parser itself refuses.
      let usage: String?

      init(_ arguments: String..., says message: String, usage: String? = nil) {
        self.arguments = arguments
        self.message = message
        self.usage = usage
      }

      var testDescription: String { arguments.joined(separator: " ") }
    }

    static let predict = "Usage: flatten-seg predict [<options>] [<input> ...]"
    static let classify =
      "Usage: flatten-seg classify [<options>] [<input> ...] --config <file.yaml> --weights <file>"
    static let eval = "Usage: flatten-seg eval <options> <subcommand>"

    static let attention = "Usage: flatten-seg attention [<options>] <picture>"

    static let bench = "Usage: flatten-seg bench <options>"

    static let badUsages = [
      BadUsage(
        "bogus", says: "Unexpected argument 'bogus'", usage: "Usage: flatten-seg <subcommand>"),
      BadUsage(
        "predcit", "a.jpg", says: "Unexpected argument 'predcit'. Did you mean 'predict'?",
        usage: "Usage: flatten-seg <subcommand>"),
      BadUsage(
        "help", "evla", says: "Unexpected argument 'evla'. Did you mean 'eval'?",
        usage: "Usage: flatten-seg <subcommand>"),
      BadUsage(
        "datasets", "chek", "folder", ".",
        says: "Unexpected argument 'chek'. Did you mean 'datasets check'?",
        usage: "Usage: flatten-seg <subcommand>"),
      BadUsage(
        "/tmp", says: "Unexpected argument '/tmp'. Did you mean 'flatten-seg predict /tmp'?",
        usage: "Usage: flatten-seg <subcommand>"),
      BadUsage(
        "predict", says: "No picture is named. Give files, folders, --list FILE or -.",
        usage: predict),
      BadUsage(
        "predict", "a.jpg", "--bogus", says: "Unknown option '--bogus'. Did you mean '--logits'?",
        usage: predict),
      BadUsage(
        "predict", "a.jpg", "--bo\u{1B}gus", says: "Unknown option '--bo\\u{1b}gus'",
        usage: predict),
      BadUsage(
        "predict", "a.jpg", "--opacity", "2",
        says: "--opacity is 2.0, a number from 0 to 1 is wanted.", usage: predict),
      BadUsage(
        "predict", "a.jpg", "--opacity", "nan",
        says: "--opacity is nan, a number from 0 to 1 is wanted.", usage: predict),
      BadUsage(
        "predict", "a.jpg", "--opacity", "x",
        says: "The value 'x' is invalid for '--opacity <opacity>'", usage: predict),
      BadUsage(
        "predict", "a.jpg", "--overwrite", "--skip-existing",
        says: "--overwrite and --skip-existing exclude each other.", usage: predict),
      BadUsage(
        "predict", "a.jpg", "--max-pixels", "0",
        says: "--max-pixels is 0, at least 1 is wanted.", usage: predict),
      BadUsage(
        "predict", "-", "--list", "-",
        says: "Standard input holds either a picture or a list, not both.", usage: predict),
      BadUsage(
        "predict", "a.jpg", "--shard", "3/2",
        says: "The value '3/2' is invalid for '--shard <i/n>'", usage: predict),
      BadUsage(
        "classify", "a.jpg", "--shard", "0/2",
        says: "The value '0/2' is invalid for '--shard <i/n>'", usage: classify),
      BadUsage(
        "predict", "a.jpg", "--output", "-", "--json",
        says: "With --output - standard output holds the mask and nothing else.", usage: predict),
      BadUsage(
        "predict", "a.jpg", "--output", "", says: "--output is empty. Name a folder.",
        usage: predict),
      BadUsage(
        "predict", "a.jpg", "--output", says: "Missing value for '--output <path>'",
        usage: predict),
      BadUsage(
        "predict", "a.jpg", "--weights", "w.pth",
        says: "--weights needs --config: the file that says what model the weights belong to.",
        usage: predict),
      BadUsage(
        "predict", "a.jpg", "--config", "c.yaml",
        says: "--config needs --weights: a .pth or .safetensors file.", usage: predict),
      BadUsage(
        "predict", "a.jpg", "--threads", "0",
        says: "--threads is 0, a number from 1 to 1024 is wanted.", usage: predict),
      BadUsage(
        "predict", "a.jpg", "--threads", "many",
        says: "The value 'many' is invalid for '--threads <threads>'", usage: predict),
      BadUsage(
        "predict", "a.jpg", "--mode", "tiles",
        says: "The value 'tiles' is invalid for '--mode <mode>'. "
          + "Please provide one of 'whole' and 'slide'.", usage: predict),
      BadUsage(
        "predict", "a.jpg", "--crop", "64",
        says: "--crop and --stride belong to --mode slide.", usage: predict),
      BadUsage(
        "predict", "a.jpg", "--mode", "slide", "--crop", "16",
        says: "--crop is 16x16, at least 32x32 is wanted.", usage: predict),
      BadUsage(
        "predict", "a.jpg", "--mode", "slide", "--crop", "64", "--stride", "65",
        says: "--stride 65x65 is larger than --crop 64x64: pixels would be missed.",
        usage: predict),
      BadUsage(
        "predict", "a.jpg", "--mode", "slide", "--crop", "64y64",
        says: "The value '64y64' is invalid for '--crop <HxW>'", usage: predict),
      BadUsage(
        "predict", "a.jpg", "--scales", "0",
        says: "--scales holds 0.0, factors from 0.05 to 8 or sizes from 32x32 are wanted.",
        usage: predict),
      BadUsage(
        "predict", "a.jpg", "--scales", "512x16",
        says: "--scales holds 512x16, factors from 0.05 to 8 or sizes from 32x32 are wanted.",
        usage: predict),
      BadUsage(
        "predict", "a.jpg", "--flip=up",
        says: "The value 'up' is invalid for '--flip <direction>'. Please provide one of "
          + "'horizontal', 'vertical' or 'diagonal'.", usage: predict),
      BadUsage(
        "classify", "--config", "c", "--weights", "w",
        says: "No picture is named. Give files, folders, --list FILE or -.", usage: classify),
      BadUsage(
        "classify", "a.jpg", says: "Missing expected argument '--config <file.yaml>'",
        usage: classify),
      BadUsage(
        "classify", "a.jpg", "--config", "c", "--weights", "w", "--top", "0",
        says: "--top is 0, at least 1 is wanted.", usage: classify),
      BadUsage(
        "eval", "--data", "d", "--fail-under", "top1=50",
        says: "--fail-under names top1; this model has aAcc, mIoU, mAcc, mDice, mFscore."),
      BadUsage(
        "eval",
        says: "No data set is named. Give --data FOLDER, or --annotations and --results."),
      BadUsage(
        "eval", "--data", "d", "--limit", "0", says: "--limit is 0, at least 1 is wanted.",
        usage: eval),
      BadUsage(
        "eval", "--data", "d", "--predictions", "p",
        says: "--predictions needs --dataset: the data set's name or description.", usage: eval),
      BadUsage(
        "eval", "--data", "d", "--predictions", "p", "--dataset", "street", "--weights", "w",
        "--config", "c", says: "--predictions scores existing masks; leave --weights out.",
        usage: eval),
      BadUsage(
        "eval", "--data", "d", "--format", "xml",
        says: "The value 'xml' is invalid for '--format <format>'. "
          + "Please provide one of 'table', 'json', 'csv' or 'markdown'.", usage: eval),
      BadUsage(
        "eval", "--data", "d", "--classes", "0",
        says: "--classes is 0, 1 to 4096 are wanted.", usage: eval),
      BadUsage(
        "eval", "--data", "d", "--ignore-index", "70000",
        says: "--ignore-index is 70000, 0 to 65535 are wanted.", usage: eval),
      BadUsage(
        "eval", "--data", "d", "--fail-under", "mIoU",
        says: "The value 'mIoU' is invalid for '--fail-under <name=value>'", usage: eval),
      BadUsage(
        "eval", "--data", "d", "--fail-under", "speed=3",
        says: "The value 'speed=3' is invalid for '--fail-under <name=value>'", usage: eval),
      BadUsage(
        "eval", "--data", "d", "--output", "x", "--confusion", "x",
        says: "Two results would be written to 'x'."),
      BadUsage(
        "eval", "--data", "d", "--dataset", "nowhere",
        says: "'nowhere' is no data set I know. Give one of ade20k, camvid, cityscapes, "
          + "coco, coco_json, coco_stuff164k, folder, street, street_objects, voc, or the path of a "
          + ".yaml file."),
      BadUsage("info", "--size", "16", says: "--size is 16x16, at least 32x32 is wanted."),
      BadUsage(
        "info", "--size", "0x5", says: "The value '0x5' is invalid for '--size <HxW>'",
        usage: "Usage: flatten-seg info [--config <file.yaml>] [--size <HxW>] [--json]"),
      BadUsage(
        "attention", says: "Missing expected argument '<picture>'", usage: attention),
      BadUsage(
        "attention", "a.jpg", "--point", "3", says: "The value '3' is invalid for '--point <x,y>'",
        usage: attention),
      BadUsage(
        "attention", "a.jpg", "--point", "3,b",
        says: "The value '3,b' is invalid for '--point <x,y>'", usage: attention),
      BadUsage(
        "attention", "a.jpg", "--output", "", says: "--output is empty. Name a folder.",
        usage: attention),
      BadUsage(
        "attention", "a.jpg", "--max-pixels", "0",
        says: "--max-pixels is 0, at least 1 is wanted.", usage: attention),
      BadUsage(
        "attention", "a.jpg", "--output", "-", "--json",
        says: "With --output - standard output holds the drawing and nothing else.",
        usage: attention),
      BadUsage(
        "attention", "a.jpg", "--config", "c.yaml",
        says: "--config needs --weights: a .pth or .safetensors file.", usage: attention),
      BadUsage(
        "bench", "--repeat", "0", says: "--repeat is 0, a number from 1 to 10000 is wanted.",
        usage: bench),
      BadUsage(
        "bench", "--all", "--config", "c.yaml",
        says: "--all takes --configs; --config and --weights are for one model.", usage: bench),
      BadUsage(
        "bench", "--configs", "Configs", says: "--configs belongs to --all.",
        usage: bench),
      BadUsage(
        "bench", "--size", "31x64", says: "--size is 31x64, at least 32x32 is wanted.",
        usage: bench),
      BadUsage(
        "inspect", says: "Missing expected argument '<file>'",
        usage: "Usage: flatten-seg inspect <file> [--container <key>] "
          + "[--skip-unknown-objects] [--json]"),
      BadUsage(
        "convert", "a", "b", "--dtype", "f8",
        says: "The value 'f8' is invalid for '--dtype <dtype>'. "
          + "Please provide one of 'f32', 'f16' or 'bf16'.",
        usage: "Usage: flatten-seg convert <in> <out> [--dtype <dtype>] [--overwrite] "
          + "[--container <key>] [--skip-unknown-objects]"),
      BadUsage(
        "init", "out", says: "Missing expected argument '--config <file.yaml>'",
        usage: "Usage: flatten-seg init --config <file.yaml> <out> [--seed <seed>] [--overwrite]"),
      BadUsage(
        "datasets", "nowhere",
        says: "'nowhere' is no data set I know. Give one of ade20k, camvid, cityscapes, "
          + "coco, coco_json, coco_stuff164k, folder, street, street_objects, voc, or the path of a "
          + ".yaml file."),
    ]

    @Test(arguments: badUsages) func badUsage(_ bad: BadUsage) throws {
      let folder = try Scratch()
      let outcome = try Tool.run(bad.arguments, in: folder)
      #expect(outcome.status == 2 && !outcome.isSignalled)
      #expect(outcome.text == "")
      var expected = ["error: " + bad.message]
      if let usage = bad.usage {
        let words = usage.split(separator: " ").dropFirst(2).prefix { $0.allSatisfy(\.isLetter) }
        let command = (["flatten-seg"] + words.map(String.init)).joined(separator: " ")
        expected += [usage, "  See '\(command) --help' for more information."]
      }
      #expect(outcome.errorLines == expected)
      #expect(folder.files() == [])
    }
  }
}
