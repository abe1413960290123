import FlattenFiles
import FlattenImage
import FlattenVision
import Foundation

/// What a batch of pictures came to.
struct BatchTally {
  private let pictures: PictureList
  private let start = ContinuousClock.now
  private(set) var done = 0
  private var kept = 0
  private var succeeded = 0
  private var failures: [(source: PictureSource, error: PictureFailure)] = []

  init(_ pictures: PictureList) { self.pictures = pictures }

  /// Whether a result could not be written.
  var hasUnwritten: Bool { failures.contains { $0.error.isUnwritable } }

  /// - Parameters:
  ///   - failure: `nil` where the picture is done.
  ///   - isKept: whether there was nothing to do.
  mutating func add(_ source: PictureSource, failure: PictureFailure?, isKept: Bool = false) {
    done += 1
    if isKept { kept += 1 }
    if let failure {
      failures.append((source, failure))
    } else {
      succeeded += 1
    }
  }

  /// Says what failed and, of more than one picture, what all came to, and chooses the exit status.
  ///
  /// - Parameters:
  ///   - folder: where the results are; `nil` where they were printed.
  ///   - quiet: whether only failures are told.
  func finish(in folder: String? = nil, quiet: Bool) throws {
    let failed = failures.count + pictures.failures.count
    if Interrupt.wasSignalled {
      Output.error("interrupted after \(done) of \(counted(pictures.sources.count, "picture"))")
      throw ExitStatus.interrupted
    }
    let total = pictures.sources.count + pictures.failures.count
    guard total > 1 else {
      guard failed > 0 else { return }
      throw failures.first?.error.isUnwritable ?? false ? ExitStatus.failed : ExitStatus.input
    }
    if failed > 0 {
      let names = pictures.failures.map(\.path) + failures.map(\.source.path)
      Output.error("\(failed) of \(total) pictures failed:")
      for name in names.prefix(20) { Output.error("  \(printable(name, limit: 200))") }
      if names.count > 20 { Output.error("  and \(names.count - 20) more") }
    }
    if !quiet && !Output.isLost { Output.error(summary(of: total, failed: failed, in: folder)) }
    guard failed > 0 else { return }
    if succeeded > 0 { throw ExitStatus.partial }
    let isUnwritable =
      pictures.failures.isEmpty && failures.allSatisfy(\.error.isUnwritable)
    throw isUnwritable ? ExitStatus.failed : ExitStatus.input
  }

  /// `8 pictures, 1 failed, 3.1 s, 2.6 a second, results in output`.
  private func summary(of total: Int, failed: Int, in folder: String?) -> String {
    let seconds = (ContinuousClock.now - start).seconds
    let computed = done - kept
    var parts = [counted(total, "picture")]
    if kept > 0 { parts.append("\(kept) kept") }
    parts += ["\(failed) failed", String(format: "%.1f s", seconds)]
    if computed > 0 {
      parts.append(String(format: "%.1f a second", Double(computed) / max(seconds, 1e-3)))
    }
    if let folder { parts.append("results in \(printable(folder, limit: 200))") }
    return parts.joined(separator: ", ")
  }
}

extension PictureList {
  /// Reports what cannot be used, and refuses a list of nothing.
  ///
  /// - Parameters:
  ///   - inputs: what was named.
  ///   - json: whether failures are reported as JSON too.
  ///   - quiet: whether errors alone are told.
  func requirePictures(_ inputs: [String], json: Bool = false, quiet: Bool = false) throws {
    for failure in failures {
      Output.error("error: \(failure)")
      if json { Output.line(FailureDocument.line(failure.path, failure)) }
    }
    if !sources.isEmpty {
      for (folder, count) in shallow where !quiet {
        Output.warning(shallowText(folder, count))
      }
      return
    }
    if let (folder, count) = shallow.first {
      Output.error("error: \(shallowText(folder, count))")
    } else if failures.isEmpty {
      let names = printable(inputs.joined(separator: ", "), limit: 400)
      let suffixes = Image.fileSuffixes.joined(separator: ", ")
      Output.error("error: no pictures (\(suffixes)) in \(names)")
    }
    throw ExitStatus.input
  }

  private func shallowText(_ folder: String, _ count: Int) -> String {
    "no pictures in \(printable(folder, limit: 300)) itself; --recursive enters the folders in it, which "
      + "hold \(counted(count, "picture"))"
  }
}

/// A picture that failed, as a line of JSON beside those of the others.
enum FailureDocument {
  static func line(_ input: String, _ error: any Error) -> String {
    OrderedJSON.object([
      ("input", .string(input)), ("error", .string(ErrorTexts.text(of: error))),
    ]).line
  }
}
