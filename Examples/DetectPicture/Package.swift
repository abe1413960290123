// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "DetectPicture",
  platforms: [.macOS(.v15)],
  dependencies: [.package(name: "flatten-seg", path: "../..")],
  targets: [
    .executableTarget(
      name: "DetectPicture",
      dependencies: [.product(name: "FlattenVision", package: "flatten-seg")])
  ]
)
