import Foundation
import TestSupport
import Testing

extension CommandLineTests {
  /// Completions for shells, which the argument parser writes: they are there, and offer files where an
  /// option takes one.
  @Suite struct CompletionTests {
    private func script(_ shell: String, in folder: Scratch) throws -> Tool.Outcome {
      let outcome = try Tool.run(["--generate-completion-script", shell], in: folder)
      expectSuccess(outcome)
      try folder.write(outcome.output, to: "completions.\(shell)")
      return outcome
    }

    @Test(arguments: ["bash", "zsh", "fish"])
    func everyCommandIsIn(_ shell: String) throws {
      let text = try script(shell, in: Scratch()).text
      for command in ["predict", "classify", "eval", "attention", "configs", "datasets", "init"] {
        #expect(text.contains(command))
      }
    }

    struct Case: Sendable, CustomTestStringConvertible {
      let words: String
      let offers: Set<String>
      var testDescription: String { words }
    }

    /// The folder holds one file of each kind and a folder.
    @Test(arguments: [
      Case(words: "predict", offers: ["p.jpg", "q.png", "sub"]),
      Case(words: "predict --list", offers: ["p.jpg", "q.png", "m.yaml", "w.pth", "n.txt", "sub"]),
      Case(words: "predict --config", offers: ["m.yaml", "sub"]),
      Case(words: "eval --weights", offers: ["w.pth", "s.safetensors", "sub"]),
      Case(words: "classify --weights", offers: ["w.pth", "s.safetensors", "sub"]),
      Case(words: "bench --config", offers: ["m.yaml", "sub"]),
      Case(words: "info --config", offers: ["m.yaml", "sub"]),
      Case(words: "init --config", offers: ["m.yaml", "sub"]),
      Case(words: "inspect", offers: ["w.pth", "s.safetensors", "sub"]),
      Case(words: "convert", offers: ["w.pth", "s.safetensors", "sub"]),
      Case(words: "attention", offers: ["p.jpg", "q.png", "sub"]),
      Case(words: "attention --matrix", offers: ["sub"]),
      Case(words: "eval --data", offers: ["sub"]),
      Case(words: "eval --predictions", offers: ["sub"]),
      Case(words: "eval --dataset", offers: ["m.yaml", "sub"]),
    ])
    func filesAreOffered(_ sample: Case) throws {
      let folder = try Scratch()
      _ = try script("bash", in: folder)
      try folder.makeFolder("files/sub")
      for name in ["p.jpg", "q.png", "m.yaml", "w.pth", "s.safetensors", "n.txt"] {
        try folder.write("", to: "files/\(name)")
      }
      let outcome = try Tool.run(
        executable: "/bin/bash",
        [
          "-c",
          """
          . ./completions.bash && cd files
          COMP_WORDS=(flatten-seg \(sample.words) ''); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
          COMP_LINE="flatten-seg \(sample.words) "; COMP_POINT=${#COMP_LINE}
          function=$(complete -p flatten-seg | sed 's/.*-F \\([^ ]*\\).*/\\1/')
          "$function" flatten-seg '' "${COMP_WORDS[COMP_CWORD - 1]}"
          printf '%s\\n' "${COMPREPLY[@]}"
          """,
        ], in: folder)
      let offered = Set(outcome.lines.filter { !$0.hasPrefix("-") })
      #expect(offered.isSuperset(of: sample.offers), "\(offered) \(outcome.errors)")
      if !sample.offers.contains("n.txt") { #expect(!offered.contains("n.txt"), "\(offered)") }
    }
  }
}
