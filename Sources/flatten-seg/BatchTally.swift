import FlattenFiles
import FlattenVision

/// What a batch of pictures came to.
struct BatchTally {
  private(set) var done = 0
  private var succeeded = 0
  private var failures: [(source: PictureSource, error: PictureFailure)] = []

  /// - Parameter failure: `nil` where the picture is done.
  mutating func add(_ source: PictureSource, failure: PictureFailure?) {
    done += 1
    if let failure {
      failures.append((source, failure))
    } else {
      succeeded += 1
    }
  }

  /// Says what failed and chooses the exit status.
  func finish(_ pictures: PictureList) throws {
    let failed = failures.count + pictures.failures.count
    if Interrupt.wasSignalled {
      Output.error("interrupted after \(done) of \(counted(pictures.sources.count, "picture"))")
      throw ExitStatus.interrupted
    }
    guard failed > 0 else { return }
    let total = pictures.sources.count + pictures.failures.count
    guard total > 1 else {
      throw failures.first?.error.isUnwritable ?? false ? ExitStatus.failed : ExitStatus.input
    }
    let names = pictures.failures.map(\.path) + failures.map(\.source.path)
    Output.error("\(failed) of \(total) pictures failed:")
    for name in names.prefix(20) { Output.error("  \(printable(name, limit: 200))") }
    if names.count > 20 { Output.error("  and \(names.count - 20) more") }
    if succeeded > 0 { throw ExitStatus.partial }
    let isUnwritable =
      pictures.failures.isEmpty && failures.allSatisfy(\.error.isUnwritable)
    throw isUnwritable ? ExitStatus.failed : ExitStatus.input
  }
}

extension PictureList {
  /// Reports what cannot be used, and refuses a list of nothing.
  ///
  /// - Parameter inputs: what was named.
  func requirePictures(_ inputs: [String]) throws {
    for failure in failures { Output.error("error: \(failure)") }
    guard sources.isEmpty else { return }
    if failures.isEmpty {
      let names = printable(inputs.joined(separator: ", "), limit: 400)
      Output.error("error: no pictures (.jpg, .jpeg, .png) in \(names)")
    }
    throw ExitStatus.input
  }
}
